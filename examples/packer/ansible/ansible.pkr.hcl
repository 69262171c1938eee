# A machine that Ansible sets up, in the style of templates for the cloud: bake it with --from debian:bookworm.

variable "region" {
  type    = string
  default = "eu-west-1"
}

variable "message" {
  type    = string
  default = "Welcome"
}

locals {
  stamp = regex_replace(timestamp(), "[- TZ:]", "")
}

source "amazon-ebs" "debian" {
  region        = var.region
  instance_type = "t3.micro"
  ami_name      = "golden-${local.stamp}"
  ssh_username  = "admin"
  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }
}

build {
  sources = ["source.amazon-ebs.debian"]

  provisioner "shell" {
    pause_before    = "10s"
    execute_command = "chmod +x {{ .Path }}; sudo -S env {{ .Vars }} {{ .Path }}"
    inline = [
      "apt-get update",
      "apt-get install -y --no-install-recommends ansible-core",
    ]
    environment_vars = ["DEBIAN_FRONTEND=noninteractive"]
  }

  provisioner "ansible-local" {
    playbook_file           = "${path.root}/site.yml"
    role_paths              = ["${path.root}/roles/motd"]
    extra_arguments         = ["--extra-vars", "'message=\"${var.message}\"'"]
    clean_staging_directory = true
  }
}
