"""The web application: pages, their JSON twins and the static export. It never loads a model."""
