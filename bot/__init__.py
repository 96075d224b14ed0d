"""imagine-sound's Discord bot: turns recordings posted in Discord into pictures.

It talks Discord and asks `core` to hear and paint; it has never heard of torch, diffusers or mediapipe.
"""
