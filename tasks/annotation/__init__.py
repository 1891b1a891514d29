"""Servers of annotation tools that tasks are pushed to, each through the SDK of its tool."""
