# What a machine does not need.
apt-get clean
rm -rf /var/lib/apt/lists/*
