"""The formats that studies come in, each read as a frame: SAS transport, Dataset-JSON, REDCap, MAF, VCF."""
