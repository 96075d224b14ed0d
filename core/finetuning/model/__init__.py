"""The base model with its adapter: what it is asked to predict, how it is loaded, how it paints, how it is saved."""
