"""Are the hands better with the adapter? Paired pictures, measured with MediaPipe's HandLandmarker.

    prompts → painting                   the same prompts and seeds with and without the adapter
    landmarks → anatomy, stability       what the detector finds, and whether it is built and behaves like a hand
    measures → comparison                one row per picture, then paired intervals and tests
    pages                                contact sheet and report

`evaluate.py` puts them together. None of it can see everything; `pages.LIMITS` says what it cannot see.
"""
