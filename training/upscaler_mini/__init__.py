"""How upscaler-mini, the bundled network that enlarges pictures, is made; see README.md."""
