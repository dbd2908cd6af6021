"""Op-amp neurons with dynamic and threshold-switching memristors (us12387090)."""
