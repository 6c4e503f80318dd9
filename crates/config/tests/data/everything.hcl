# Every key that is read, in HCL 1.
exit_after_auth = true
pid_file        = "/home/vault/.pid"

auto_auth {
  enable_reauth_on_new_credentials = "true"

  method "kubernetes" {
    mount_path  = "auth/k8s-prod/"
    namespace   = "/team-a/shop/"
    min_backoff = "500ms"
    max_backoff = 180
    exit_on_err = "T"
    config = {
      role       = "web"
      token_path = "/var/run/token"
    }
  }

  sink "file" {
    config = { path = "/home/vault/.vault-token" }
  }

  sink {
    type       = "file"
    wrap_ttl   = "5m"
    dh_type    = "curve25519"
    dh_path    = "/keys/peer"
    derive_key = true
    aad        = "more"
    config {
      path = "/other"
      mode = 0600
      uid  = 100
      gid  = "1000"
    }
  }
}

vault {
  address         = "https://vault:8200"
  ca_cert         = "/ca"
  ca_path         = "/cas"
  client_cert     = "/cert"
  client_key      = "/key"
  tls_server_name = "vault.example.com"
  tls_skip_verify = true
  namespace       = "admin/"
  retry { num_retries = -1 }
}

template {
  destination          = "/vault/secrets/a"
  contents             = <<-EOT
    {{ with secret "kv/data/a" }}${x}{{ end }}
    EOT
  perms                = "0600"
  user                 = "app"
  gid                  = 1000
  backup               = true
  create_dest_dirs     = false
  error_fatal          = false
  error_on_missing_key = true
  function_denylist    = ["plugin"]
  function_blacklist   = ["env"]
  sandbox_path         = "/sandbox"
  command              = "kill -HUP 1"
  command_timeout      = 5
  wait                 = "2s"
}

template {
  destination     = "/vault/secrets/b"
  source          = "/t.ctmpl"
  perms           = 0440
  left_delimiter  = "[["
  right_delimiter = "]]"
  exec {
    command       = ["nginx", "-s", "reload now"]
    timeout       = "20s"
    kill_signal   = "SIGTERM"
    kill_timeout  = "3s"
    reload_signal = "SIGHUP"
    splay         = "1s"
    env {
      pristine  = true
      custom    = ["A=b,c"]
      allowlist = ["PATH"]
      denylist  = ["VAULT_*"]
    }
  }
  wait {
    min = "1s"
    max = "10s"
  }
}

env_template "DB_PASS" {
  contents = "x"
}

exec {
  command                   = ["app"]
  restart_on_secret_changes = "never"
  restart_stop_signal       = "SIGUSR1"
  child_process_stdout      = "/out"
  child_process_stderr      = "/err"
}

listener "tcp" {
  address                = "127.0.0.1:8100"
  tls_disable            = true
  require_request_header = true
  agent_api { enable_quit = true }
}

listener "unix" {
  address            = "/run/agent.sock"
  role               = "metrics_only"
  socket_mode        = "660"
  socket_user        = "100"
  socket_group       = "app"
  tls_cert_file      = "/c"
  tls_key_file       = "/k"
  tls_min_version    = "tls12"
  tls_max_version    = "tls13"
  tls_cipher_suites  = "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"
  tls_client_ca_file = "/cca"
  tls_require_and_verify_client_cert = true
}

cache {
  use_auto_auth_token = true
  enforce_consistency = "always"
  when_inconsistent   = "retry"
  persist "kubernetes" {
    path                       = "/vault/agent-cache"
    keep_after_import          = true
    exit_on_err                = true
    service_account_token_file = "/sa"
  }
}

api_proxy {
  use_auto_auth_token = "force"
}

template_config {
  exit_on_retry_failure         = true
  static_secret_render_interval = "1m30s"
  max_connections_per_host      = 25
  lease_renewal_threshold       = 0.75
}

disable_idle_connections = ["auto-auth", "caching", "proxying", " templating"]
disable_keep_alives      = "templating"

telemetry {
  prometheus_retention_time = "30s"
  disable_hostname          = true
  prefix_filter             = ["+a", "-b"]
  maximum_gauge_cardinality = 3
}

log_level            = "Debug"
log_format           = "json"
log_file             = "/log/"
log_rotate_bytes     = 4096
log_rotate_duration  = "12h"
log_rotate_max_files = -1

leasehold {
  mode                  = "native"
  state_dir             = "/home/vault/.leasehold"
  revoke_on_exit        = false
  revoke_after_handover = true
  login_spread          = "1m"
  findings              = ["first, with a comma", "second"]
  logins "other" {
    method "jwt" { config { path = "/jwt" } }
    vault { address = "https://other:8200" }
  }
  template_logins {
    "/vault/secrets/b" = "other"
  }
}
