import com.alibaba.nacos.core.code.ControllerMethodsCache;
import javax.annotation.PostConstruct;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.actuate.autoconfigure.security.servlet.ManagementWebSecurityAutoConfiguration;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.security.servlet.SecurityAutoConfiguration;
import org.springframework.boot.autoconfigure.security.servlet.UserDetailsServiceAutoConfiguration;
import org.springframework.boot.web.servlet.ServletComponentScan;
import org.springframework.scheduling.annotation.EnableScheduling;

/** A Nacos server from its published modules (core, naming, config): the console, which is not published, is only a page on top. */
public final class Registry {
    @SpringBootApplication(
            scanBasePackages = "com.alibaba.nacos",
            exclude = {SecurityAutoConfiguration.class, UserDetailsServiceAutoConfiguration.class, ManagementWebSecurityAutoConfiguration.class})
    @ServletComponentScan("com.alibaba.nacos")
    @EnableScheduling
    public static class Main {
        private final ControllerMethodsCache methods;

        public Main(ControllerMethodsCache methods) {
            this.methods = methods;
        }

        /** Without this the older API answers 501. */
        @PostConstruct
        public void init() {
            methods.initClassMethod("com.alibaba.nacos.core.controller");
            methods.initClassMethod("com.alibaba.nacos.naming.controllers");
            methods.initClassMethod("com.alibaba.nacos.config.server.controller");
        }
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Main.class, arguments);
    }
}
