"""Making models: the training of the bundled ones, and their export. Only here is torch."""
