"""What runs beside a training command: it starts it, hears its processes, seals what they say."""
