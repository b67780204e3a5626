package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// envPrefix starts every environment variable of this program.
const envPrefix = "NGIT_SYNC_"

// Key is one declared setting, as the struct tags of Config state it.
type Key struct {
	Name    string // path of names, such as "own_relay.embedded.listen"
	Env     string
	Flag    string // without dashes, empty when there is none
	Default string // empty for an empty string or list
	Doc     string
	Allowed string // what a value may be, for people
	List    bool
	Reload  bool // SIGHUP can change it

	index  []int // of the field in Config
	value  form  // of the value, or of each element of a list
	secret bool
	text   bool // quoted in YAML
}

// Keys lists every setting in the order of the documentation.
func Keys() []Key { return schema().keys }

// KeyOf finds a setting by its name.
func KeyOf(name string) (Key, bool) {
	k, ok := schema().byName[name]
	return k, ok
}

// mustKey is for names that stand in the code.
func mustKey(name string) Key {
	k, ok := KeyOf(name)
	if !ok {
		panic("config: the code names the unknown key " + name)
	}
	return k
}

type table struct {
	keys     []Key
	byName   map[string]Key
	byEnv    map[string]Key
	sections map[string][]string // names of the keys and sections directly inside, in order; "" is the top
}

// schema reads the tags once. A tag that makes no sense is a mistake of the programmer and panics.
var schema = sync.OnceValue(func() *table {
	t := &table{byName: map[string]Key{}, byEnv: map[string]Key{}, sections: map[string][]string{}}
	t.walk(reflect.TypeFor[Config](), "", nil, false)
	for _, k := range t.keys {
		if _, twice := t.byEnv[k.Env]; twice {
			panic("config: two keys share " + k.Env)
		}
		t.byName[k.Name], t.byEnv[k.Env] = k, k
	}
	return t
})

func (t *table) walk(st reflect.Type, path string, index []int, reload bool) {
	for i := range st.NumField() {
		f := st.Field(i)
		name := f.Tag.Get("key")
		if name == "" {
			continue
		}
		t.sections[path] = append(t.sections[path], name)
		full, at := join(path, name), slices.Concat(index, []int{i})
		if isSection(f.Type) {
			t.walk(f.Type, full, at, reload || f.Tag.Get("reload") == "yes")
			continue
		}
		t.keys = append(t.keys, newKey(f, full, at, reload))
	}
}

// isSection tells a struct of keys from a struct that is a value.
func isSection(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("key") != "" {
			return true
		}
	}
	return false
}

func newKey(f reflect.StructField, name string, index []int, reload bool) Key {
	k := Key{
		Name: name, Env: envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_")),
		Flag: f.Tag.Get("flag"), Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc"),
		List: f.Type.Kind() == reflect.Slice, Reload: reload, index: index,
	}
	elem := f.Type
	if k.List {
		elem = elem.Elem()
	}
	k.secret = elem == reflect.TypeFor[Secret]()
	k.text = elem.Kind() != reflect.Int && elem.Kind() != reflect.Int64
	v, err := formOf(elem, f.Tag)
	if err != nil {
		panic(fmt.Sprintf("config: %s: %v", name, err))
	}
	k.value, k.Allowed = v, v.allowed
	if k.List {
		k.Allowed = "a list, each entry " + v.allowed
	}
	return k
}

// field is the place of a key's value in c.
func (k Key) field(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(k.index) }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
