"""How the bundled demo language model is made, one command a step."""
