"""Networks that find objects: R-CNN, SPPnet, Fast R-CNN, Faster R-CNN."""
