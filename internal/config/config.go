package config

import (
	"net/netip"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Config is the whole configuration. Default and Load make one.
type Config struct {
	OwnRelay OwnRelay `key:"own_relay"`
	Database Database `key:"database"`
	Sync     Sync     `key:"sync" reload:"yes"`
	Scope    Scope    `key:"scope" reload:"yes"`
	Health   Health   `key:"health" reload:"yes"`
	Limits   Limits   `key:"limits" reload:"yes"`
	Network  Network  `key:"network"`
	HTTP     HTTP     `key:"http"`
	Log      Log      `key:"log" reload:"yes"`

	sources map[string]Source // by key; what is absent is a default
}

// OwnRelay is the relay we serve.
type OwnRelay struct {
	URL             relayurl.URL  `key:"url" flag:"own-relay" doc:"websocket URL of the own relay; empty starts the embedded one"`
	Domains         []string      `key:"domains" form:"domain" flag:"domain" doc:"host[:port] under which announcements name this service"`
	Window          int           `key:"window" default:"64" min:"1" doc:"events sent to the own relay and not yet answered"`
	EventsPerSecond int           `key:"events_per_second" default:"0" doc:"pace of publishing; 0 sets none"`
	PictureInterval time.Duration `key:"picture_interval" default:"24h" doc:"how often the whole of the own relay is compared with what it should hold, beside after each lost connection; 0 does not"`
	AuthKeyFile     string        `key:"auth_key_file" doc:"file with an nsec or 64 hex digits, the key for NIP-42; empty makes no key"`
	Embedded        Embedded      `key:"embedded"`
}

// Embedded is the own relay for those who have none.
type Embedded struct {
	Listen string `key:"listen" default:"127.0.0.1:3334" form:"listen" doc:"host:port where the embedded relay listens"`
	Data   string `key:"data" default:"ngit-sync-relay" form:"path" doc:"directory of the embedded relay's events"`
}

// Database is where the daemon keeps what it knows.
type Database struct {
	URL       Secret        `key:"url" default:"sqlite:ngit-sync.db" form:"database" flag:"database" doc:"where the daemon keeps what it knows of events and relays"`
	Retention time.Duration `key:"retention" default:"2160h" min:"1ns" doc:"how long it is remembered that an event was rejected or irrelevant"`
}

// Sync is when and what to ask.
type Sync struct {
	Bootstrap       []relayurl.URL `key:"bootstrap" flag:"bootstrap" doc:"relays that are always asked for announcements"`
	Pinned          []relayurl.URL `key:"pinned" doc:"relays that are never forgotten, whoever names them"`
	BatchWindow     time.Duration  `key:"batch_window" default:"5s" doc:"how long news of the own relay is gathered before it is acted on"`
	SettleDelay     time.Duration  `key:"settle_delay" default:"6s" doc:"wait before the second look that ends a historic sync"`
	ReconnectWindow time.Duration  `key:"reconnect_window" default:"15m" doc:"a longer absence makes a reconnect a fresh start"`
	SinceOverlap    time.Duration  `key:"since_overlap" default:"15m" doc:"how far before the cursor a catch-up begins"`
	FullInterval    time.Duration  `key:"full_interval" default:"24h" min:"1ns" doc:"time between two full passes over one relay"`
	FullJitter      time.Duration  `key:"full_jitter" default:"1h" doc:"spread of the full pass, either way"`
	MaxFilters      int            `key:"max_filters" default:"70" min:"1" doc:"live filters at one relay beyond which they are repacked"`
	TagsPerFilter   int            `key:"tags_per_filter" default:"100" min:"1" doc:"tag values in one filter"`
	PollInterval    time.Duration  `key:"poll_interval" default:"300s" min:"1ns" doc:"shortest time between two polls of what does not fit into live filters"`
	RemoveGrace     time.Duration  `key:"remove_grace" default:"10m" doc:"how long a relay is kept after nothing is wanted from it"`
	Negentropy      string         `key:"negentropy" default:"auto" oneof:"auto,off" doc:"auto uses NIP-77 at relays that answer it, off always pages"`
}

// Scope is whose repositories and which relays.
type Scope struct {
	Archive     []nip34.ArchiveRule `key:"archive" flag:"archive" doc:"repositories to keep although they do not name this service: npub, npub/identifier or domain:HOST"`
	DenyAuthors []event.PubKey      `key:"deny_authors" doc:"npubs whose repositories and events are refused"`
	DenyRepos   []event.Ref         `key:"deny_repos" doc:"refused repositories, as npub/identifier"`
	DenyRelays  []relayurl.URL      `key:"deny_relays" doc:"relays that are never dialled"`
	AllowRelays []relayurl.URL      `key:"allow_relays" doc:"when given, the only discovered relays that are dialled"`
}

// Health is when to dial again.
type Health struct {
	BaseBackoff       time.Duration `key:"base_backoff" default:"5s" min:"1ns" doc:"wait after the first failure; doubles with each further one"`
	MaxBackoff        time.Duration `key:"max_backoff" default:"1h" min:"1ns" doc:"longest wait of a relay that is not dead"`
	DeadAfter         time.Duration `key:"dead_after" default:"24h" doc:"a relay that fails for so long is dead"`
	DeadRetry         time.Duration `key:"dead_retry" default:"24h" min:"1ns" doc:"a dead relay is dialled once in this time"`
	StableAfter       time.Duration `key:"stable_after" default:"5m" doc:"a connection that lasts so long forgets earlier failures"`
	RateLimitCooldown time.Duration `key:"rate_limit_cooldown" default:"65s" min:"1ns" doc:"first pause after a relay asked for less; doubles while it repeats"`
}

// Limits is how much of anything.
type Limits struct {
	ConnectTimeout  time.Duration `key:"connect_timeout" default:"10s" min:"1ns" doc:"time for a dial and its handshake"`
	ConcurrentDials int           `key:"concurrent_dials" default:"16" min:"1" doc:"dials at the same time"`
	MaxRelays       int           `key:"max_relays" default:"1000" doc:"discovered relays that are dialled; bootstrap and pinned ones do not count"`
	RelaysPerOwner  int           `key:"relays_per_owner" default:"20" doc:"of these, relays that only one owner names"`
	RelaysPerRepo   int           `key:"relays_per_repo" default:"20" min:"1" doc:"relays taken from the announcements of one repository"`
	RootsPerRepo    int           `key:"roots_per_repo" default:"10000" min:"1" doc:"root events followed in one repository"`
	NegMessageBytes Size          `key:"neg_message_bytes" default:"4MiB" min:"1KiB" doc:"largest NIP-77 message taken"`
	MessageBytes    Size          `key:"message_bytes" default:"1MiB" min:"1KiB" doc:"largest event taken"`
	EventTags       int           `key:"event_tags" default:"2000" min:"1" doc:"tags in one event"`
	FutureSkew      time.Duration `key:"future_skew" default:"15m" doc:"how far ahead an event's time may be before it is parked"`
	PendingEvents   int           `key:"pending_events" default:"100000" min:"1" doc:"events that wait for a parent, for their time or for the own relay"`
	PendingBytes    Size          `key:"pending_bytes" default:"256MiB" min:"1KiB" doc:"size of the events that wait"`
	ReqsPerMinute   int           `key:"reqs_per_minute" default:"1200" min:"1" doc:"questions to one relay: REQ, pages and NIP-77 together"`
	IrrelevantIDs   int           `key:"irrelevant_ids" default:"1000000" min:"1" doc:"ids remembered as not wanted"`
}

// Network is which addresses, and by which way.
type Network struct {
	AllowPrivate []netip.Prefix `key:"allow_private" doc:"private addresses or networks (CIDR) that discovered relays may have"`
	Proxy        Secret         `key:"proxy" form:"proxy" doc:"SOCKS5 proxy to remote relays; the own relay is reached directly"`
	ProxyFor     string         `key:"proxy_for" default:"all" oneof:"all,onion" doc:"onion takes only relays under .onion through the proxy"`
}

// HTTP is the status page, the metrics and the API.
type HTTP struct {
	Listen    string   `key:"listen" default:"127.0.0.1:9464" form:"listen" flag:"listen" doc:"host:port of the status page, the metrics and the API"`
	Hosts     []string `key:"hosts" form:"domain" doc:"further names by which browsers and proxies may ask; addresses and names that only your own network has need no mention"`
	TokenFile string   `key:"token_file" doc:"file with the token for changes; empty makes one beside the database"`
	Contact   string   `key:"contact" form:"contact" doc:"address or URL in the User-Agent, so that relay operators can reach you"`
}

// Log is what is said, and how.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug,info,warn,error" flag:"log-level" doc:"least severe message that is logged"`
	Format string `key:"format" default:"json" oneof:"json,console" flag:"log-format" doc:"json for machines, console for people"`
}
