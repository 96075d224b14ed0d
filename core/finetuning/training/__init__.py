"""LoRA steps under guard, which can stop and resume anywhere."""
