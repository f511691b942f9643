"""Labels in files: written with their whole history, read from our own files, spreadsheets and Neuronpedia's."""
