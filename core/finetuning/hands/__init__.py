"""Are the hands better with the adapter? Paired pictures, measured with MediaPipe's HandLandmarker.

    prompts → painting       the same prompts and seeds with and without the adapter
    landmarks → measures     what the detector finds, and whether it is built and behaves like a hand
    comparison               paired intervals and tests
    page                     contact sheet and report

`evaluation.py` puts them together. None of it can see everything; `page.LIMITS` says what it cannot see.
"""
