"""Device cards, physics, integer model, quantiser, experiments, recordings and simulators."""
