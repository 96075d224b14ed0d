"""ffmpeg in a cage: the bytes of a recording, which anybody may have made, to samples. It knows nothing of sounds."""
