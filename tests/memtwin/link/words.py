"""Words of a twin in pure Python, and times for tests with it."""

import numpy as np

HANG_S = 120.0  # a guard against a hang, no limit
TIMEOUT = 0.5  # of answers that do not come; long against those that do

CONDUCTANCE = np.arange(15, dtype=np.uint16).reshape(3, 5) + 1000
IMAGE = {"layer1.conductance": CONDUCTANCE, "layer1.leak_half": [7], "layer1.leak": [6], "layer1.theta": range(300)}
