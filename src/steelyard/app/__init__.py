"""The application: wires rooms together for the doors, and performs campaigns."""
