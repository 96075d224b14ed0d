"""Teaching the painting model something new with a LoRA adapter, so that it works the first time.

The way of a run, and the module of each stage:

    datasets → screening → selection → buckets → cache      images and captions become cached latents and embeddings
    objective                                               what the network is asked to predict: EDM, or SDXL's own
    network, batches, trainer, checkpoints                  LoRA steps that can stop and resume anywhere
    measuring, guard                                        is it still the model it was? If not: back, and slower
    saving, report                                          the adapter, and one page that shows whether it helped
    hands                                                   are the hands better? Measured with MediaPipe

`run.py` puts them together; `command.py` is the command line. Nothing here knows of Discord or of the painting engine.
"""
