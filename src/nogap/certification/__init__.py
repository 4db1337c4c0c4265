"""Certificates for networks from anywhere: estimators, PyTorch modules, predictions."""

from nogap.certification._certify import certify
from nogap.certification.judges import Method, certify_dual, check_method, judge

__all__ = ["Method", "certify", "certify_dual", "check_method", "judge"]
