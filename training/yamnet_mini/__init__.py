"""How yamnet-mini, the bundled miniature of YamNet, is made; see README.md."""
