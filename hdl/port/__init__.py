"""What a host sees of a network: one bus, one trace."""
