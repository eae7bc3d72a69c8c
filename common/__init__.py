"""Layers, optimizers, trainers and utilities: the deep-learning library that the chapters are written with."""
