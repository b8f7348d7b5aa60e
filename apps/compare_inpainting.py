r"""Compares inpainting methods on the same images with the same holes.

    python apps/compare_inpainting.py --dataset=photographs --num_images=50 \
        --methods=mean,nearest,biharmonic,patch_match,runs/pconv,LBAM=runs/lbam \
        --output_dir=runs/comparison
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("compare-inpainting")
