"""Training of networks for the engine, and the images that they are trained on."""
