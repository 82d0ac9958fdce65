"""The node agent: what only root is told about processes, served to the supervisors on the machine."""
