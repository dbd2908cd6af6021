"""What the gateware of every kind is made of."""
