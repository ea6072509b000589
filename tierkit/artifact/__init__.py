"""A model as a folder: trained, written whole, verified at load, and never able to run code.

The folder holds the trees as LightGBM's text, calibration and scorecard as JSON, the policy as TOML, and a
manifest that says how they came about and holds a hash of each. There is no pickle in it. A load checks every
hash, and refuses a folder in which a file is altered, cut short, missing or new.
"""

from tierkit.artifact.folder import FILES, FORMAT, MANIFEST, ModelError
from tierkit.artifact.model import Model
from tierkit.artifact.training import train

__all__ = ["FILES", "FORMAT", "MANIFEST", "Model", "ModelError", "train"]
