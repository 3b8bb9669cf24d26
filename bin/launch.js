'use strict'

var fs = require('fs')
var path = require('path')

/**
 * Whether this Node can run busline. If not, the pinned Node of the checkout runs the same command line; without one (in an
 * installed package), one sentence says which version is needed.
 */
exports.ready = function () {
  if (isNewEnough(process.versions.node.split('.').map(Number))) return true
  var pinned = path.join(__dirname, '..', 'node_modules', 'node', 'bin', 'node')
  if (fs.existsSync(pinned)) rerun(pinned)
  else exports.refuse('busline needs Node 22.22.3, 24.15 or newer, this is ' + process.version, 'nvm install 24')
  return false
}

/** The SQLite of older versions can damage a file that several processes use: https://sqlite.org/wal.html#walresetbug */
function isNewEnough(version) {
  var major = version[0]
  var minor = version[1]
  if (major === 22) return minor > 22 || (minor === 22 && version[2] >= 3)
  if (major === 24) return minor >= 15
  return major >= 26
}

exports.refuse = function (sentence, hint) {
  console.error('bus: ' + sentence + '\n  try: ' + hint)
  process.exitCode = 1
}

function rerun(node) {
  var child = require('child_process').spawn(node, process.argv.slice(1), {stdio: 'inherit'})
  // `ps` would show a login among the arguments; the child hides its own.
  process.title = 'bus'
  var tty = require('tty')
  var typed = tty.isatty(0) || tty.isatty(1) || tty.isatty(2)

  // Ctrl-C on a terminal reaches the child as well; a signal from another process reaches only us.
  function interrupt() {
    if (!typed) child.kill('SIGINT')
  }
  function terminate() {
    child.kill('SIGTERM')
  }

  process.on('SIGINT', interrupt)
  process.on('SIGTERM', terminate)
  child.on('error', function (error) {
    exports.refuse('cannot run the pinned Node: ' + error.message, 'npm ci')
  })
  child.on('exit', function (code, signal) {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', terminate)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}

/**
 * Stores compiled code between two starts. Node runs code from there without checking its owner or content, and the default is
 * a folder in /tmp that any user may create first. So this uses the user's own cache folder, and only if no other user can
 * write there or replace it; otherwise nothing is stored.
 */
exports.enableCache = function () {
  var folder = cacheFolder()
  if (folder === undefined) return
  // Node creates a folder of its own in there.
  var before = process.umask(63)
  require('module').enableCompileCache(folder)
  process.umask(before)
}

/** Undefined if there is none that only this user can change. */
function cacheFolder() {
  var user = process.geteuid ? process.geteuid() : undefined
  var base = baseFolder()
  if (base === undefined) return undefined
  try {
    if (statOf(base) === undefined) {
      if (!isSafe(fs.realpathSync.native(path.dirname(base)), user)) return undefined
      fs.mkdirSync(base, 448)
    }
    var real = fs.realpathSync.native(base)
    if (!isSafe(real, user)) return undefined
    var folder = path.join(real, 'busline')
    if (statOf(folder) === undefined) fs.mkdirSync(folder, 448)
    var stat = statOf(folder)
    var isPrivate = user === undefined || (stat.uid === user && (stat.mode & 63) === 0)
    return stat.isDirectory() && isPrivate ? folder : undefined
  } catch (_error) {
    // Without a home folder, on a read-only disk, or while another process creates the folder, it starts a little slower.
    return undefined
  }
}

/** $XDG_CACHE_HOME, ~/.cache, or the equivalent on Windows. */
function baseFolder() {
  var own = process.platform === 'win32' ? process.env.LOCALAPPDATA : process.env.XDG_CACHE_HOME
  if (own && path.isAbsolute(own)) return own
  var home = process.env.HOME
  return home && path.isAbsolute(home) ? path.join(home, '.cache') : undefined
}

function statOf(file) {
  return fs.lstatSync(file, {throwIfNoEntry: false})
}

/** Whether only this user and root can change the folder, or replace it or one above it. */
function isSafe(folder, user) {
  if (user === undefined) return true
  for (var at = folder; ; at = path.dirname(at)) {
    var stat = fs.lstatSync(at)
    var isSticky = at !== folder && (stat.mode & 512) !== 0
    if (!stat.isDirectory() || (stat.uid !== user && stat.uid !== 0) || ((stat.mode & 18) !== 0 && !isSticky))
      return false
    if (at === path.dirname(at)) return true
  }
}
