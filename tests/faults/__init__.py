"""What goes wrong around lexpix: bad files, bad disks, kills, hostile clients."""
