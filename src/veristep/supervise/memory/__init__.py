"""What processes noted of their memory, compared with sources and with a clean process."""
