# A worker in Python, in the style of templates in HCL.

packer {
  required_version = ">= 1.7.0"
  required_plugins {
    docker = {
      version = "~> 1"
      source  = "github.com/hashicorp/docker"
    }
  }
}

variable "suite" {
  type        = string
  default     = "bookworm"
  description = "Debian's name of the release"
  validation {
    condition     = can(regex("^[a-z]+$", var.suite))
    error_message = "want a name such as bookworm."
  }
}

variable "interval" {
  type    = number
  default = 5
}

variable "api_token" {
  type      = string
  default   = env("API_TOKEN")
  sensitive = true
}

locals {
  root     = "/opt/worker"
  packages = ["python3-minimal", "ca-certificates"]
  install  = join(" ", local.packages)
  built    = formatdate("YYYY-MM-DD", timestamp())
  settings = {
    interval = var.interval
    built    = local.built
    tags     = [for name in ["worker", var.suite] : upper(name)]
  }
}

source "docker" "worker" {
  image  = "debian:${var.suite}"
  commit = true
  changes = [
    "USER nobody",
    "WORKDIR ${local.root}",
    "ENV INTERVAL=${var.interval} GREETING=\"hello there\"",
    "ENTRYPOINT [\"/usr/bin/python3\", \"${local.root}/worker.py\"]",
  ]
}

build {
  name    = "fleet"
  sources = ["source.docker.worker"]

  provisioner "shell" {
    inline = [
      "apt-get update",
      "apt-get install -y --no-install-recommends ${local.install}",
    ]
    env = {
      DEBIAN_FRONTEND = "noninteractive"
    }
  }

  provisioner "file" {
    sources     = ["${path.root}/worker.py"]
    destination = "${local.root}/"
  }

  provisioner "file" {
    content     = jsonencode(local.settings)
    destination = "${local.root}/settings.json"
  }

  provisioner "shell" {
    environment_vars = [
      "API_TOKEN=${var.api_token}",
      "FROM=${source.type}.${source.name}",
    ]
    inline = [
      "python3 -m py_compile ${local.root}/worker.py",
      "printf '%s' \"$API_TOKEN\" | sha256sum | cut -c1-12 >${local.root}/token.id",
      "echo \"$PACKER_BUILD_NAME from $FROM\" >${local.root}/origin",
    ]
  }

  post-processors {
    post-processor "checksum" {
      checksum_types = ["sha256"]
      output         = "worker_{{.ChecksumType}}.checksum"
    }
    post-processor "manifest" {
      output     = "worker-manifest.json"
      strip_path = true
    }
  }
}
