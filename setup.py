"""What pyproject.toml cannot say: the pictures of examples/ are installed as vit_demo/examples."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["vit_demo", "vit_demo.*"]), "vit_demo.examples"],
    package_dir={"vit_demo.examples": "examples"},
)
