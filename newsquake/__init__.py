"""Settings, wiring, web and command line: imports every stage; nobody imports it."""
