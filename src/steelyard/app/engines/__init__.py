"""`engines …` and `tune`: what runs here, and how engines do against each other and themselves."""
