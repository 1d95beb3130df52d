use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let config = Config::parse("cuetone.yaml", text).map_err(|error| error.to_string())?;
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    super::env::apply(config, env).map_err(|error| error.to_string())
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let text = include_str!("../../examples/cuetone.yaml");
    assert_eq!(Config::parse("cuetone.yaml", text).unwrap(), Config::default());
    let written: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let all = serde_yaml::to_value(Config::default()).unwrap();
    assert_eq!(keys("", &written), keys("", &all));
}

fn keys(path: &str, value: &serde_yaml::Value) -> Vec<String> {
    let Some(map) = value.as_mapping() else { return vec![path.to_owned()] };
    let mut all: Vec<_> =
        map.iter().flat_map(|(key, value)| keys(&format!("{path}.{}", key.as_str().unwrap()), value)).collect();
    all.sort();
    all
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(load("", &[]), Ok(Config::default()));
    assert_eq!(load("# nothing\n", &[]), Ok(Config::default()));
    assert_eq!(Config::default().database_url(), "sqlite:./data/cuetone.db");
}

#[test]
fn mistakes_name_line_and_column() {
    let check = |text: &str, expect: &str| assert_eq!(load(text, &[]).unwrap_err(), expect);
    check(
        "listen: 127.0.0.1:80\nsesion: {}\n",
        "cuetone.yaml:2:1: unknown field `sesion`, expected one of `listen`, `data_dir`, `database_url`, `tenants_dir`, \
         `public_url`, `log`, `outbound`, `trusted`, `session`, `origin`, `tracking`, `extensions`, `shutdown_grace_seconds`, \
         `dashboard`, `segment_url_ttl_seconds`",
    );
    check("session:\n  max: 0\n", "cuetone.yaml:2:8: session.max: 0 is out of range: expected 1 to 100000000");
    check("listen: here\n", "cuetone.yaml:1:9: listen: invalid socket address syntax");
    check(
        "database_url: mysql://me:s3cret@db/cuetone\n",
        "cuetone.yaml:1:15: database_url: expected `sqlite:path` or `postgres://user:password@host/database`",
    );
    check(
        "database_url: postgres://me:s3cret@db:port/cuetone\n",
        "cuetone.yaml:1:15: database_url: expected `sqlite:path` or `postgres://user:password@host/database`: invalid port number",
    );
    check(
        "trusted:\n  proxies: [10.0.0.0/33]\n",
        "cuetone.yaml:2:13: trusted.proxies[0]: `10.0.0.0/33` is not a network: expected an address or a block such as 10.0.0.0/8",
    );
    check(
        "outbound: { allow_hosts: [http://localhost] }\n",
        "cuetone.yaml:1:27: outbound.allow_hosts[0]: `http://localhost`: expected a host, host:port or a block such as 10.0.0.0/8",
    );
    check(
        "public_url: ads.example.com\n",
        "cuetone.yaml:1:13: public_url: `ads.example.com` is not a URL: relative URL without a base",
    );
}

#[test]
fn a_database_s_password_is_used_and_not_shown() {
    for url in ["sqlite:data/a.db", "postgres://me:s3cret@db/cuetone?sslmode=require", "postgresql://db/cuetone"] {
        let config = load("", &[("CUETONE_DATABASE_URL", url)]).unwrap();
        assert_eq!(config.database_url(), url);
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    }
    assert_eq!(load("database_url: postgres://db/a", &[("CUETONE_DATABASE_URL", "")]), Ok(Config::default()));
}

#[test]
fn variables_override_the_file() {
    let config = load(
        "listen: 127.0.0.1:80\noutbound: { timeout_ms: 100 }\n",
        &[
            ("CUETONE_LISTEN", "0.0.0.0:9000"),
            ("CUETONE_OUTBOUND__ALLOW_HOSTS", "localhost:8080, 10.0.0.0/8"),
            ("CUETONE_SESSION__MAX", "5"),
            ("CUETONE_DASHBOARD", "true"),
            ("CUETONE_PUBLIC_URL", "https://ads.example.com/"),
            ("CUETONE_TRUSTED__GEO_HEADER", ""),
            ("CUETONE_LOG__FORMAT", "json"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen, SocketAddr::from(([0, 0, 0, 0], 9000)));
    assert_eq!(config.outbound.allow_hosts, ["localhost:8080", "10.0.0.0/8"]);
    assert_eq!((config.outbound.timeout_ms, config.session.max, config.dashboard), (100, 5, true));
    assert_eq!(config.public_url.as_deref(), Some("https://ads.example.com"));
    assert_eq!((config.trusted.geo_header, config.log.format), (None, LogFormat::Json));
}

#[test]
fn a_wrong_variable_is_named_and_an_unknown_one_is_noted() {
    let check = |name, value, expect: &str| assert_eq!(load("", &[(name, value)]).unwrap_err(), expect);
    check("CUETONE_SESSION__MAX", "0", "CUETONE_SESSION__MAX: 0 is out of range: expected 1 to 100000000");
    check("CUETONE_LISTEN", "here", "CUETONE_LISTEN: invalid socket address syntax");
    let config = load("", &[("CUETONE_PORT", "tcp://10.0.0.1:80"), ("CUETONE_SESSION", "5")]).unwrap();
    assert_eq!(config.ignored_env, ["CUETONE_PORT", "CUETONE_SESSION"]);
}

#[test]
fn a_missing_file_is_an_error_and_none_is_not() {
    let missing = Config::load(Some(Path::new("/nowhere/cuetone.yaml")), std::iter::empty());
    assert!(missing.unwrap_err().to_string().starts_with("/nowhere/cuetone.yaml: "));
    assert_eq!(Config::load(None, std::iter::empty()).unwrap(), Config::default());
}
