"""Teaching the painting model something new with a LoRA adapter, so that it works the first time.

    model/      what the network is asked to predict (EDM, or SDXL's own), how it is loaded, paints and is saved
    data/       images and captions become encoded latents and embeddings: sources → selection → encoding → prepare
    training/   steps that can stop and resume anywhere, and the guard: still the model it was? If not: back, and slower
    report      one page that shows how it goes, and in the end whether it helped
    hands/      are the hands better? Measured with MediaPipe

`run.py` puts them together. Nothing here knows of Discord, of the command line, or of the painting engine.
"""
