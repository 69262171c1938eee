# Puts the title into the page. The template says which.
sed -i "s/@title@/$TITLE/" /var/www/html/index.html
rm -f /var/www/html/index.nginx-debian.html
