"""Op-amp neurons with dynamic memristors (us12387090)."""
