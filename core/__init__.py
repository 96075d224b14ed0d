"""imagine-sound's core: hears a recording, puts the scene into words and paints it.

It knows nothing about Discord, and importing it loads no model library: torch, diffusers,
mediapipe and pydub are each imported when they are first used.
"""

__version__ = "0.1.0"
