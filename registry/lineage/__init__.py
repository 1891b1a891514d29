"""How a model came to be: kept with every run, read again to make the model anew or to compare two versions."""
