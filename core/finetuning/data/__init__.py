"""From a folder of images and captions to what the network is fed: found, chosen, encoded, kept on disk."""
