"""Networks of a user's own: options of layers, and the spikes that they are shown, the same for every kind."""
