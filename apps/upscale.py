r"""Enlarges pictures of any size, by bicubic interpolation or a trained network.

python apps/upscale.py --input=photo.jpg --output=large.png --method=runs/edsr
python apps/upscale.py --input=photos --output=large --method=bicubic --scale=3
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("upscale")
