#!/bin/sh
# Runs once, in a sandbox on top of the layers before it. What it changes becomes the image's next layer.
set -eu

# What Debian configures by default is replaced by one nginx.conf.
rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available /var/www

# nginx runs as www-data from the start and logs to the machine's own log.
mkdir -p /srv/site /var/lib/nginx
chown -R www-data:www-data /var/lib/nginx /var/log/nginx
