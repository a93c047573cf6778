"""From the bytes of an image to pixels that can be trained on."""
