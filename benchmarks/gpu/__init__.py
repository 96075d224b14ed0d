"""What the first hour on a GPU should show, in one command: `python -m benchmarks.gpu` (docs/gpu.md).

It needs torch, diffusers, transformers, accelerate, peft and rich, and reaches for no network.
"""
