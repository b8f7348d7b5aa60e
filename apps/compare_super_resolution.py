r"""Compares methods that enlarge pictures, on held-out ones.

    python apps/compare_super_resolution.py --dataset=my_pictures --scale=3 \
        --methods=runs/vdsr,EDSR=runs/edsr --output_dir=runs/compared
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("compare-super-resolution")
