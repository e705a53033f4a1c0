"""What the papers invented: one file per idea."""

from lib.methods.memorise import DeepMemory, FitReport, TwoLayerMemory, fit_report, memorise, memorise_deep

__all__ = ["DeepMemory", "FitReport", "TwoLayerMemory", "fit_report", "memorise", "memorise_deep"]
