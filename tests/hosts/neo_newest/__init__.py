"""The newest Forge Neo's packages, as far as they differ from those of `../neo`: its text engines have other names.

Written for the tests after reading Haoming02/sd-webui-forge-classic 21886f41 and its copy youlijie fdb9c164.
"""
